"""What gRPC costs: a small call beside a bare server's, a streamed token beside SSE's, and what hours of streams leave."""
