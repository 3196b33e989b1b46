"""What people see in the terminal. Text from a rig is cleaned first: it can neither style nor drive it."""
