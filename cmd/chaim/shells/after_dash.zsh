# After -- stands a command with completions of its own.
_chaim()
{
    local -i dash=${words[(ie)--]}
    if (( dash < CURRENT )); then
        shift $dash words
        (( CURRENT -= dash ))
        _normal
        return
    fi
    __chaim_ask "$@"
}
