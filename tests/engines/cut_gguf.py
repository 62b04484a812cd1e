"""``python cut_gguf.py FILE.gguf NEW.gguf BLOCKS ARCHITECTURE``, in the transformers environment: the same model with its first
BLOCKS layers only, which says that its architecture is ARCHITECTURE."""

import sys

from gguf import GGUFReader, GGUFValueType, GGUFWriter

file, new, blocks, architecture = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
reader = GGUFReader(file)
writer = GGUFWriter(new, architecture)
for field in reader.fields.values():
    if field.name.startswith("GGUF.") or field.name == "general.architecture":
        continue
    value = blocks if field.name == "llama.block_count" else field.contents()
    inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
    writer.add_key_value(field.name.replace("llama.", f"{architecture}."), value, field.types[0], inner)
for tensor in reader.tensors:
    parts = tensor.name.split(".")
    if parts[0] != "blk" or int(parts[1]) < blocks:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
