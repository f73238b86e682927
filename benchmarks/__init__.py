"""Speed against peers and against the machine's limit, measured in one call. Imported by nobody."""
