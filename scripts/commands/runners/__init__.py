"""How rows are read and run: parsing, inputs, single calls, lists, many records, jobs."""
