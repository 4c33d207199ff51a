# What `pigeon hub` says to its operator: at its start and at its console.

hub-members = { $count ->
    [one] { $count } member
   *[other] { $count } members
}
