import { nodeImage, type LabImage } from './lab-image.ts'

/** Where the releases of Istio's samples have their images. */
const registries = ['docker.io/istio', 'registry.istio.io/release']

const application = (name: string, env: Readonly<Record<string, string>> = {}): LabImage => {
  const image = nodeImage(`test/lab/images/bookinfo/${name}.ts`, [], 1000)
  return { ...image, env: { ...image.env, ...env } }
}

const applications: Readonly<Record<string, LabImage>> = {
  'productpage-v1': application('productpage'),
  'details-v1': application('details'),
  'ratings-v1': application('ratings'),
  'reviews-v1': application('reviews'),
  'reviews-v2': application('reviews', { ENABLE_RATINGS: 'true' }),
  'reviews-v3': application('reviews', { ENABLE_RATINGS: 'true', STAR_COLOR: 'red' }),
}

/** Stand-ins for the applications of Istio's Bookinfo under the names of its images, so that its YAML is applied as it is. */
export const bookinfoImages: Readonly<Record<string, LabImage>> = Object.fromEntries(
  registries.flatMap((registry) =>
    Object.entries(applications).map(([name, image]) => [`${registry}/examples-bookinfo-${name}`, image]),
  ),
)
