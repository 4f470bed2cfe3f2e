"""Node packs: ours as it is installed, and the rules for any."""
