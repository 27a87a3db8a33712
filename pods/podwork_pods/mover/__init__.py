"""How a shop changes pods while it trades. The protocol is `ops/docs/moves.md`."""
