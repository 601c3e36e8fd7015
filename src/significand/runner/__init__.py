"""Many runs in isolated processes that take turns on the machine."""
