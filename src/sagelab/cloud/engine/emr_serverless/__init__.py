"""EMR Serverless's job runs: who begins when, their hosts, their logs, their end."""
