"""The commands ``ronde evaluate``: what the detectors say of a file, for anybody who wants to judge it."""

import typer

from service.evaluate_anomalies import anomalies_command
from service.evaluate_dumping import dumping_command
from service.evaluate_faults import faults_command
from service.evaluate_fill import fill_command
from service.evaluate_forecast import forecast_command
from service.evaluate_incidents import incidents_command

evaluate_app = typer.Typer(
    no_args_is_help=True, help="Run the detectors on a file of measurements and write down what they say."
)
evaluate_app.command("dumping")(dumping_command)
evaluate_app.command("faults")(faults_command)
evaluate_app.command("fill")(fill_command)
evaluate_app.command("forecast")(forecast_command)
evaluate_app.command("anomalies")(anomalies_command)
evaluate_app.command("incidents")(incidents_command)
