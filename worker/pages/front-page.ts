import { html } from 'hono/html'
import { CSRF_HEADER } from '#api/schemas/sessions.ts'
import type { AppContext } from '../app-env.ts'
import { answerPage } from './page.ts'

/**
 * Addresses are relative: the plane may be below a path. The page itself comes without the cookie of the session when the provider has sent the
 * browser here (it is `Strict`); what its script asks has it.
 */
const script = `
const byId = (id) => document.getElementById(id)
const tell = (text) => { byId('notice').textContent = text }
const show = (id) => { for (const each of ['session', 'sign-in']) byId(each).hidden = each !== id }
const ask = async (path, init) => {
  const answer = await fetch(path, { ...init, headers: { Accept: 'application/json', ...init?.headers } })
  const body = answer.status === 204 ? {} : await answer.json()
  return { status: answer.status, body }
}

const comesBack = new URL(location.href)
const outcome = comesBack.searchParams.get('signIn')
if (outcome !== null) {
  tell(outcome === 'unavailable'
    ? 'The identity provider can’t be asked now. Try again in a minute.'
    : 'You are no member of this org, or the sign-in was refused. An owner or an admin of the org can add you.')
  comesBack.searchParams.delete('signIn')
  history.replaceState(null, '', comesBack)
}
byId('org').value = localStorage.getItem('org') ?? ''

byId('form').addEventListener('submit', (event) => {
  event.preventDefault()
  const org = byId('org').value
  localStorage.setItem('org', org)
  location.assign('v1/sign-in/browser?' + new URLSearchParams({ org }))
})

let current
byId('sign-out').addEventListener('click', async () => {
  const { status } = await ask('v1/sessions/' + current, { method: 'DELETE', headers: { '${CSRF_HEADER}': '1' } })
  await load(status === 204 ? 'You are signed out.' : 'The session had ended already.')
})

async function load(said) {
  const { status, body } = await ask('v1/whoami')
  if (said !== undefined) tell(said)
  if (status === 200) {
    const { org, token: { id, name, role, scopes, expiresAt } } = body
    current = id
    const confined = Object.entries(scopes).map(([kind, name]) => kind + ' ' + name).join(', ')
    const facts = { 'org-name': org, who: name.replace(/^sign-in of /, ''), role, for: confined || 'the org', until: new Date(expiresAt).toLocaleString() }
    for (const [fact, text] of Object.entries(facts)) byId(fact).textContent = text
    byId('login').textContent = 'atoll login --url ' + new URL('.', location.href).href.replace(/\\/$/, '') + ' --oidc --org ' + org
    show('session')
  } else if (status === 401) {
    show('sign-in')
  } else {
    tell(body.detail ?? body.title ?? 'The plane answers HTTP ' + status)
  }
}
// Also when the browser shows this page again, as it was.
addEventListener('pageshow', (event) => event.persisted && void load())
load().catch((error) => tell('The plane does not answer: ' + error.message))
`

const body = html`<main>
  <h1>Atoll</h1>
  <p id="notice" role="status"></p>
  <noscript><p>This page needs JavaScript.</p></noscript>
  <section id="session" hidden>
    <p>You are signed in.</p>
    <dl>
      <dt>Who</dt>
      <dd id="who"></dd>
      <dt>Org</dt>
      <dd id="org-name"></dd>
      <dt>Role</dt>
      <dd id="role"></dd>
      <dt>For</dt>
      <dd id="for"></dd>
      <dt>Until</dt>
      <dd id="until"></dd>
    </dl>
    <p><button id="sign-out" type="button">Sign out</button></p>
    <p>
      <small
        >This plane has no other pages yet. The command line shows and changes everything: <code id="login"></code
      ></small>
    </p>
  </section>
  <section id="sign-in" hidden>
    <form id="form">
      <label for="org">Name of your org</label>
      <input id="org" name="org" required autocomplete="organization" autocapitalize="none" spellcheck="false" />
      <button>Sign in</button>
    </form>
  </section>
</main>`

/** What a browser shows of a plane: who is signed in, or where to. */
export const answerFrontPage = (c: AppContext) => answerPage(c, { title: 'Atoll', body, script })
