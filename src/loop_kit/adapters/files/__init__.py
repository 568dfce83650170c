"""Files of this machine: appended to, removed, and distinguished from pipes and devices."""
