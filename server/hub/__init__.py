"""Live delivery: from the line of events to the subscribers of this process.

hub         the process's: watches, the sweep          watch      one workspace: reads on, and lets subscribers in
subscriber  one subscription                           replay     what a subscriber missed, from the log
roster      who listens to what, in groups that share  delivery   one batch of events: rights and executions
handful     what is handed out together, and how
"""
