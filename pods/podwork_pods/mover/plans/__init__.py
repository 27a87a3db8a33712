"""Plans of moves: many shops that move one after the other, by themselves, and stop by themselves."""
