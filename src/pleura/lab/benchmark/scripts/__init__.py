"""Programs that `pleura.lab.benchmark` runs in processes of their own, by path."""
