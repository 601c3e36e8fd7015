"""Instruments: latency, memory, energy, machine. Each takes its clock, counter or file root as an argument."""
