#compdef pigeon
_pigeon() {
    local -a reply
    reply=("${(@f)$(PIGEON_COMPLETE=zsh @PIGEON@ -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    case $reply[1] in
        files) [[ $PREFIX == -*=* ]] && compset -P 1 '*='; _files ;;
        dirs) [[ $PREFIX == -*=* ]] && compset -P 1 '*='; _files -/ ;;
        words) shift reply; (($#reply)) && _describe -V 'values' reply ;;
    esac
}
# In a folder of fpath this file is the function, which the first Tab calls.
if [[ $funcstack[1] == _pigeon ]]; then _pigeon "$@"; else compdef _pigeon pigeon; fi
