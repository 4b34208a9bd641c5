"""The words everybody uses: places, devices, readings, findings, incidents, plans, units, errors, parameters."""
