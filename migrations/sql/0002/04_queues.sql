create constraint trigger add_queues after insert on {schema}.new_queue
    deferrable initially deferred for each row execute function {schema}.add_queues();
