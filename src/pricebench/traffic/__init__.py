"""What servers do under load: reports of probes, the search for the highest rate, what a report says. No torch."""
