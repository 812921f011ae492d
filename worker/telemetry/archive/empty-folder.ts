const TOGETHER = 1_000

/** Deletes all that is in a folder of a bucket, also what no catalog knows. Done again, it goes on. Answers whether it came to the end in so many pages of a thousand. */
export const emptyFolder = async (bucket: R2Bucket, folder: string, mostPages = Infinity): Promise<boolean> => {
  for (let page = 0; page < mostPages; page += 1) {
    const { objects } = await bucket.list({ prefix: folder, limit: TOGETHER })
    if (objects.length === 0) return true
    await bucket.delete(objects.map(({ key }) => key))
  }
  return false
}
