# Summaries and remarks of the tools, `send` to `replay`.

## pigeon contacts

## pigeon relay: conditions
tools-contact-is = { $name } is { $endpoint }
tools-contact-is-already = { $name } is already { $endpoint }
tools-contact-removed = { $name } is removed
tools-contact-renamed = { $old } is now { $new }
tools-contacts-none = no contacts yet; `pigeon contacts add` adds one
tools-knob-unknown = { $knob } is not a condition; there are { $known }
tools-knob-form = write KNOB=VALUE, several with commas, e.g. loss=1%,delay=20ms
tools-knob-too-long = must not be longer than an hour
tools-knob-burst = `{ $burst }` is not a valid burst length; write e.g. 5%:4 for bursts of 4 datagrams
tools-knob-distribution = `{ $word }` is not a valid distribution; choose uniform, normal or pareto
tools-knob-rate-least = must be at least one byte a second
tools-knob-rate = write a number with its unit, e.g. 10Mbit/s, 64KiB/s, or unlimited
tools-knob-mtu = write a number of bytes, e.g. 1200, or none
