drop trigger add_queues on {schema}.new_queue;
