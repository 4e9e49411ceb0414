"""Pages of synccore: home, jobs, couplings. Set-up pages come with their own issue."""
