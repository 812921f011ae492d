import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'

const quantity = /^(\d+(?:\.\d*)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,2})?$/

/** A Kubernetes quantity that is not negative, such as "250m", "2", "64Mi"; the text is given back. */
export const parseQuantity = (text: string): Result<string, string> =>
  quantity.test(text) ? ok(text) : err(`"${text}" is not a quantity such as 250m or 64Mi`)

const powers: Readonly<Record<string, number>> = { m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 }

/** How many CPUs a quantity of them is, as `parseQuantity` took it. */
export const toCpuCount = (text: string): number => {
  const [, number = '0', unit = ''] = quantity.exec(text) ?? []
  if (/^[eE]./.test(unit)) return Number(`${number}${unit}`)
  return Number(number) * (unit.endsWith('i') ? 1024 ** 'KMGTPE'.indexOf(unit.charAt(0)) * 1024 : (powers[unit] ?? 1))
}
