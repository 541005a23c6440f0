# After -- stands a command with completions of its own. bash-completion finds them; without it there are commands and files.
__start_chaim()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -- ]] || continue
        COMPREPLY=()
        if declare -F _comp_command_offset >/dev/null 2>&1; then
            _comp_command_offset $((i + 1))
        elif declare -F _command_offset >/dev/null 2>&1; then
            _command_offset $((i + 1))
        elif ((COMP_CWORD == i + 1)); then
            local IFS=$'\n'
            COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
        fi
        return
    done
    __chaim_ask "$@"
}
