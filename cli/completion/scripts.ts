export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** Each asks `atoll complete` for candidates, and leaves files to the shell when there are none. */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `_atoll() {
  local IFS=$'\\n'
  COMPREPLY=($(atoll complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _atoll atoll
`,
  zsh: `#compdef atoll
_atoll() {
  local -a candidates
  candidates=(\${(f)"$(atoll complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#candidates} )); then compadd -a candidates; else _files; fi
}
compdef _atoll atoll
`,
  fish: `function __atoll_complete
  set -l words (commandline -opc)[2..-1] (commandline -ct)
  atoll complete -- $words 2>/dev/null
end
complete -c atoll -a '(__atoll_complete)'
`,
}
