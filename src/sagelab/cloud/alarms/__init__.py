"""CloudWatch's alarms: what is kept of them, when they are looked at, what they find, and whom they tell."""
