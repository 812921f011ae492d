import { nodeImage, type LabImage } from './lab-image.ts'

/** Where the releases of Istio's samples have their images. */
const registries = ['docker.io/istio', 'registry.istio.io/release']

const application = (path: string, env: Readonly<Record<string, string>> = {}): LabImage => {
  const image = nodeImage(`test/lab/images/${path}.ts`, [], 1000)
  return { ...image, env: { ...image.env, ...env } }
}

const applications: Readonly<Record<string, LabImage>> = {
  'bookinfo-productpage-v1': application('bookinfo/productpage'),
  'bookinfo-details-v1': application('bookinfo/details'),
  'bookinfo-details-v2': application('bookinfo/details', { ENABLE_EXTERNAL_BOOK_SERVICE: 'true' }),
  'bookinfo-ratings-v1': application('bookinfo/ratings'),
  'bookinfo-ratings-v2': application('bookinfo/ratings-of-database'),
  'bookinfo-mongodb': application('bookinfo/mongodb'),
  'bookinfo-mysqldb': application('bookinfo/mysqldb'),
  'bookinfo-reviews-v1': application('bookinfo/reviews'),
  'bookinfo-reviews-v2': application('bookinfo/reviews', { ENABLE_RATINGS: 'true' }),
  'bookinfo-reviews-v3': application('bookinfo/reviews', { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' }),
  'helloworld-v1': application('helloworld'),
}

/** Stand-ins for the applications of Istio's samples under the names of their images, so that its YAML is applied as it is. */
export const sampleImages: Readonly<Record<string, LabImage>> = Object.fromEntries(
  registries.flatMap((registry) =>
    Object.entries(applications).map(([name, image]) => [`${registry}/examples-${name}`, image]),
  ),
)
