"""What the three scripts share towards the user: options, notes, rendering, errors, the embedded sandbox."""
