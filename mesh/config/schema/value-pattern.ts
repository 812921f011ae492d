import { z } from 'zod'
import { checked } from './message.ts'

/** Values of one list, and characters of one value: more than a policy needs, and a bound on what a proxy compares with each request. */
const maxValues = 4096
const maxCharacters = 2048

export const text = z.string().min(1, 'must not be empty').max(maxCharacters)

export const valuesOf = <S extends z.ZodType>(value: S, max = maxValues) => z.array(value).max(max).optional()

/** Values of which Istio takes any text: a star in the middle is a letter. */
export const texts = valuesOf(text)

/** Istio reference: Rule. "abc" is that value, "abc*" and "*abc" have it at the beginning and at the end, "*" is any that is not empty. */
export const isPattern = (value: string): boolean => {
  const star = value.indexOf('*')
  return star === -1 || (star === value.lastIndexOf('*') && (star === 0 || star === value.length - 1))
}

export const pattern = checked(text, ({ value, report }) => {
  if (!isPattern(value)) report('takes one "*", at the beginning or at the end')
})

export const trustDomains = valuesOf(
  checked(pattern, ({ value, report }) => {
    if (value.includes('/')) report('is a trust domain alone, without "/"')
  }),
)
