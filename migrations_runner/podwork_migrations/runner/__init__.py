"""The runner: the job that takes a pod's migrations one by one, bit by bit."""
