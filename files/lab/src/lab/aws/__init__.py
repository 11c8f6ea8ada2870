"""AWS in the lab: moto, with what our roles need of AWS and moto lacks."""
