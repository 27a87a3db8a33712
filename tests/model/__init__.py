"""Executable models of protocols: every order of every step, within bounds, before there is code to test."""
