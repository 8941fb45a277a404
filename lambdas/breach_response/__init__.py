"""BreachResponse: a finding of GuardDuty is contained, documented, told and put under its legal deadlines."""
