# The words around help texts. The texts themselves are in the definitions of the command line in
# English, and in words/zh/help.ftl in Chinese.

help-label-usage = Usage:
help-label-some-options = [OPTIONS]
help-label-a-command = COMMAND
help-label-commands = Commands:
help-label-arguments = Arguments:
help-label-options = Options:
help-label-colon = :
help-label-default = [default: { $value }]
help-label-help-command = Print help for a command
help-label-help = Print help
help-label-version = Print version

help-error-head = error:
help-error-unknown-argument = unexpected argument '{ $arg }'
help-error-unknown-command = unknown command '{ $command }'
help-error-missing = required arguments are missing:
help-error-no-value = '{ $arg }' needs a value
help-error-invalid = invalid value '{ $value }' for '{ $arg }'
help-error-choices = [possible values: { $choices }]
help-error-twice = '{ $arg }' cannot be used more than once
help-error-conflict = '{ $arg }' cannot be used with '{ $other }'
help-error-meant = tip: did you mean '{ $meant }'?
help-error-as-value = tip: to pass '{ $arg }' as a value, write '-- { $arg }'
help-error-more = For more information, try '--help'.
