"""Generic building blocks that know no orders: state machine, tasks, rules, specifications."""
