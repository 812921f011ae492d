import type { LabCluster } from '../harness/cluster.ts'

/** What a person sees on the product page. */
export interface ProductPage {
  readonly hasDetails: boolean
  /** Of the reviews, from the name of the pod that they came from; undefined where the page has none. */
  readonly version: string | undefined
  readonly stars: 'black' | 'red' | 'unavailable' | 'none'
}

const separator = '=== next page'

/** Asks for the product page so many times by `curl` in a pod of a cluster, signed in as this user. */
export const askForPages = async (cluster: LabCluster, count: number, user?: string): Promise<ProductPage[]> => {
  const [pod] = await cluster.waitForPods('bookinfo', 'app=curl')
  const script = `
    curl --silent --output /dev/null --cookie-jar /tmp/cookies ${user === undefined ? '' : `--data username=${user}`} http://productpage:9080/login
    for i in $(seq ${count}); do
      curl --silent --max-time 10 ${user === undefined ? '' : '--cookie /tmp/cookies'} http://productpage:9080/productpage
      echo '${separator}'
    done`
  const { stdout } = await cluster.exec('bookinfo', pod?.name ?? '', 'curl', ['sh', '-c', script])
  return stdout.split(separator).slice(0, -1).map(readProductPage)
}

export const readProductPage = (html: string): ProductPage => ({
  hasDetails: html.includes('<h4>Book Details</h4>') && html.includes('PublisherA'),
  version: /Reviews served by: reviews-(v\d)/.exec(html)?.[1],
  stars: readStars(html),
})

const readStars = (html: string): ProductPage['stars'] => {
  if (html.includes('Ratings service is currently unavailable')) return 'unavailable'
  if (html.includes('text-black-500">★')) return 'black'
  return html.includes('text-red-500">★') ? 'red' : 'none'
}
