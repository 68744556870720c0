/** The supported shells. Each script calls `__complete` with the words before the cursor. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** bash splits words at ":". The script rejoins them and removes the part before ":" from the candidates. */
const BASH = `_monster_realtime() {
  local line="\${COMP_LINE:0:COMP_POINT}" words current prefix candidate
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  current="\${words[-1]}"
  prefix=""
  [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]] && prefix="\${current%"\${current##*:}"}"
  COMPREPLY=()
  while IFS= read -r candidate; do
    COMPREPLY+=("\${candidate#"$prefix"}")
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == *: ]] && compopt -o nospace
}
complete -o default -F _monster_realtime monster-realtime
`;

const ZSH = `#compdef monster-realtime
_monster_realtime() {
  local -a candidates
  candidates=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=("\${(@)candidates:#}")
  if (( \${#candidates} )); then
    compadd -S '' -- "\${(@M)candidates:#*:}"
    compadd -- "\${(@)candidates:#*:}"
  else
    _files
  fi
}
compdef _monster_realtime monster-realtime
`;

const FISH = `function __monster_realtime_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c monster-realtime -f -a '(__monster_realtime_complete)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
