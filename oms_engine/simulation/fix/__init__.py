"""What do recorded FIX 4.4 messages say, and does the engine come to the same? Read, replayed, compared, written."""
