-- lift: end a hold.
-- ARGV: hold's name
-- Answers: 1, or 0 when there is no such hold.
-- Uses: lifting.

return lift(ARGV[1]) and 1 or 0
