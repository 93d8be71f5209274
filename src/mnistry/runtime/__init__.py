"""Files, run folders, provenance, processes and Ray: internal helpers below everything else."""
