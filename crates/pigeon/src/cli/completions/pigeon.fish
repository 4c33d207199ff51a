function __pigeon_asks --description 'Ask pigeon what the current word may become'
    set -g __pigeon_reply (PIGEON_COMPLETE=fish @PIGEON@ -- (commandline -opc) (commandline -ct) 2>/dev/null)
    set -g __pigeon_kind $__pigeon_reply[1]
    set -e __pigeon_reply[1]
    test "$__pigeon_kind" = "$argv[1]"
end
complete -c pigeon -n '__pigeon_asks words' -f -k -a '$__pigeon_reply'
complete -c pigeon -n '__pigeon_asks files' -F
complete -c pigeon -n '__pigeon_asks dirs' -f -a '(__fish_complete_directories (commandline -ct) "")'
