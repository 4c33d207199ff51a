_pigeon() {
    # Bash splits words at `:` and `=` too (COMP_WORDBREAKS); pigeon's words end at blanks.
    local line=${COMP_LINE:0:COMP_POINT} blank word i
    local -a words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blank=${line%%[![:space:]]*}
        line=${line#"$blank"}
        if ((i < COMP_CWORD)); then word=${COMP_WORDS[i]}; else word=$line; fi
        if ((i == 0)) || [[ $blank ]]; then words+=("$word"); else words[${#words[@]}-1]+=$word; fi
        line=${line#"$word"}
    done
    local kind='' reply
    COMPREPLY=()
    while IFS= read -r reply; do
        if [[ $kind ]]; then COMPREPLY+=("$reply"); else kind=$reply; fi
    done < <(PIGEON_COMPLETE=bash @PIGEON@ -- "$2" "${words[@]}" 2>/dev/null)
    case $kind in
        files) compopt -o default ;;
        dirs) compopt -o dirnames ;;
    esac 2>/dev/null
}
complete -o bashdefault -o nosort -F _pigeon pigeon 2>/dev/null ||
    complete -o bashdefault -o default -F _pigeon pigeon
