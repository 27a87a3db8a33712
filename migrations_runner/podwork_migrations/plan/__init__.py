"""Plans: which pods may migrate when, wave by wave behind a canary.

`plans` is what people ask for, `gate` what pods ask, `status` what people see; `schema` names the tables.
"""
