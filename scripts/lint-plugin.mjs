/**
 * The house's own lint rules: who may import whom, and what a pure room may not touch.
 */
import { isBuiltin } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * Each room and the folders that it may import. Folders that are not here (`test/`, `scripts/`)
 * may import anything, and no room may import them.
 *
 * @type {Record<string, readonly string[]>}
 */
const arrows = {
  console: ['api', 'mesh'],
  cli: ['api', 'mesh', 'xds', 'gen'],
  worker: ['api', 'mesh', 'xds', 'migrations'],
  agent: ['mesh', 'xds', 'gen'],
  api: ['mesh'],
  xds: ['mesh', 'gen'],
  mesh: [],
}
const runsAnywhere = ['api', 'xds', 'mesh']
const pureRooms = ['xds', 'mesh']
const aliasedFolders = { '#envoy': 'gen' }

/**
 * @param {string} importer path of the importing file, relative to the repository
 * @param {string} specifier as it is written in the import
 * @returns {string | undefined} why the import is against the arrows
 */
export function forbiddenImport(importer, specifier) {
  const room = roomOf(importer)
  if (room === undefined) return undefined
  if (isBuiltin(specifier) || specifier.startsWith('cloudflare:')) {
    return runsAnywhere.includes(room) ? `${room}/ runs anywhere: it may not import ${specifier}` : undefined
  }
  const folder = folderOf(importer, specifier)
  if (folder === undefined || folder === room || arrows[room]?.includes(folder)) return undefined
  return `${room}/ may not import ${folder}/`
}

/** @param {string} file @returns {string | undefined} the room whose rules the file has to keep */
function roomOf(file) {
  const [room = ''] = file.split('/')
  return room in arrows && !/\.test\.[a-z]+$/.test(file) ? room : undefined
}

/** @param {string} importer @param {string} specifier @returns {string | undefined} a top-level folder of ours */
function folderOf(importer, specifier) {
  if (specifier.startsWith('#')) {
    const [alias = ''] = specifier.split('/')
    return alias in aliasedFolders ? aliasedFolders[/** @type {keyof typeof aliasedFolders} */ (alias)] : alias.slice(1)
  }
  if (!specifier.startsWith('.')) return undefined
  const path = join(dirname(importer), specifier).split(sep)
  return path.length > 1 ? path[0] : undefined
}

/** @typedef {{ filename: string, report(problem: { node: object, message: string }): void }} RuleContext */

/** @param {RuleContext} context */
const fileOf = (context) => relative(root, context.filename).split(sep).join('/')

const arrowsRule = {
  /** @param {RuleContext} context */
  create(context) {
    /** @param {{ source?: { value?: unknown } | null }} node */
    const check = (node) => {
      if (typeof node.source?.value !== 'string') return
      const message = forbiddenImport(fileOf(context), node.source.value)
      if (message !== undefined) context.report({ node, message })
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    }
  },
}

const pureRule = {
  /** @param {RuleContext} context */
  create(context) {
    if (!pureRooms.includes(roomOf(fileOf(context)) ?? '')) return {}
    /** @param {object} node @param {string} what */
    const report = (node, what) => context.report({ node, message: `${what} in a pure room: take it as an argument` })
    return {
      /** @param {{ object: { name?: string }, property: { name?: string } }} node */
      MemberExpression(node) {
        const name = `${node.object.name}.${node.property.name}`
        if (name === 'Math.random' || name === 'Date.now') report(node, name)
      },
      /** @param {{ callee: { name?: string }, arguments: unknown[] }} node */
      NewExpression(node) {
        if (node.callee.name === 'Date' && node.arguments.length === 0) report(node, 'new Date()')
      },
    }
  },
}

export default { meta: { name: 'atoll' }, rules: { arrows: arrowsRule, pure: pureRule } }
