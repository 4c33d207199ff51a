# What `pigeon history` says of itself.
history-no-word = there is no word to search for
history-no-room = nothing was said in a room { $room }; there are: { $rooms }
history-no-room-at-all = nothing was said in a room { $room }, nor in any other
history-time = write a time, e.g. 2026-11-20, '2026-11-20 21:04', or how long ago: 3d, 2h
history-nothing = no message matches
history-looked-at = { $count ->
    [one] { $count } message
   *[other] { $count } messages
} looked at
history-found = { $count ->
    [one] { $count } message
   *[other] { $count } messages
} found
history-missing = { $count ->
    [one] { $count } message
   *[other] { $count } messages
} could not be stored
history-exported = { $count ->
    [one] { $count } line
   *[other] { $count } lines
} exported to { $file }
history-export-incomplete = the export to { $file } is incomplete
history-progress = { $count ->
    [one] { $count } line
   *[other] { $count } lines
}, { $megabytes } MB
history-import-alone = an import needs the log for itself
history-import-incomplete = the import is incomplete; what was stored stays
history-bad-line = pigeon: line { $line } is skipped: { $what }
history-bad-lines = pigeon: { $count ->
    [one] { $count } more line
   *[other] { $count } more lines
} skipped
history-conflicts = pigeon: { $count ->
    [one] { $count } message
   *[other] { $count } messages
} not stored: others have the same number
history-imported = { $stored ->
    [one] { $stored } line
   *[other] { $stored } lines
} imported, { $known } were there already
history-backed-up = backed up to { $file }, { $bytes } bytes
history-backup-terminal = a backup cannot be shown on a terminal; redirect it to a file or a pipe
history-backup-incomplete = the backup to { $file } is incomplete
