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
