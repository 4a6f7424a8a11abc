"""What a user of the scripts sees: commands, options, input, output, errors."""
