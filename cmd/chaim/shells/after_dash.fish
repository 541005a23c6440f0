# After -- stands a command with completions of its own. The last line tells that there is nothing else to complete.
function __chaim_perform_completion
    set -l words (commandline -opc)
    set -l dash (contains -i -- -- $words)
    if test -z "$dash"
        __chaim_ask
        return
    end
    set -l cmd (string escape -- $words[(math $dash + 1)..-1])
    complete -C (string join -- " " $cmd (commandline -ct))
    echo :4
end
