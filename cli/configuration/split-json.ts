import { parseJson } from '#mesh/parse-json.ts'

const brackets = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g

/**
 * A text cut where one JSON object or list follows another, as jq and kustomize print them and kubectl takes them; joined, the parts are the text again.
 * What is no JSON stays in one piece.
 */
export const splitJson = (text: string): readonly string[] => {
  if (!/^\s*[[{]/.test(text)) return [text]
  const parts: string[] = []
  let start = 0
  let depth = 0
  for (const { 0: token, index } of text.matchAll(brackets)) {
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else continue
    if (depth > 0) continue
    const part = text.slice(start, index + 1)
    // YAML's flow style looks the same, and may have brackets where JSON has none.
    if (parseJson(part) === undefined) break
    parts.push(part)
    start = index + 1
  }
  const rest = text.slice(start)
  return rest.trim() === '' && parts.length > 0
    ? [...parts.slice(0, -1), `${parts.at(-1) ?? ''}${rest}`]
    : [...parts, rest]
}
