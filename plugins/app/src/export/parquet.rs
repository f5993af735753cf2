//! Tables as Parquet files, in the shapes that the readers of `datasets` and pandas know.
//!
//! Invariant: every column of a table has the same number of rows, or nothing is written.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FloatType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{PrimitiveTypeBuilder, Type, TypePtr};
use serde_json::json;

use super::WRITE_HINT;
use crate::fault::WithHint as _;

/// A column.
pub(super) enum Column {
    /// Whole numbers.
    Int(Vec<i64>),
    /// Numbers.
    Float(Vec<f32>),
    /// Yes or no.
    Bool(Vec<bool>),
    /// Text.
    Text(Vec<String>),
    /// Lists of so many numbers each.
    Floats(usize, Vec<f32>),
    /// Lists of text.
    Texts(Vec<Vec<String>>),
    /// PNG files, as `datasets` keeps pictures.
    Png(Vec<Vec<u8>>),
}

impl Column {
    fn rows(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Floats(width, values) => values.len() / (*width).max(1),
            Self::Texts(values) => values.len(),
            Self::Png(values) => values.len(),
        }
    }

    fn field(&self, name: &str) -> Result<Type> {
        let list = |element: Type| -> Result<Type> {
            let repeated = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
            let repeated = repeated.with_fields(vec![Arc::new(element)]).build()?;
            let group = Type::group_type_builder(name).with_repetition(Repetition::REQUIRED);
            Ok(group.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(repeated)]).build()?)
        };
        Ok(match self {
            Self::Int(_) => plain(name, Physical::INT64).build()?,
            Self::Float(_) => plain(name, Physical::FLOAT).build()?,
            Self::Bool(_) => plain(name, Physical::BOOLEAN).build()?,
            Self::Text(_) => text(name).build()?,
            Self::Floats(..) => list(plain("element", Physical::FLOAT).build()?)?,
            Self::Texts(_) => list(text("element").build()?)?,
            Self::Png(_) => {
                let parts: Vec<TypePtr> =
                    vec![plain("bytes", Physical::BYTE_ARRAY).build()?.into(), text("path").build()?.into()];
                Type::group_type_builder(name).with_repetition(Repetition::REQUIRED).with_fields(parts).build()?
            }
        })
    }
}

/// A table; `index` names the text column that pandas takes for the rows' names.
pub(super) struct Table<'a> {
    pub columns: Vec<(&'a str, Column)>,
    pub index: Option<&'a str>,
}

impl Table<'_> {
    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written, or a column has another length than the first.
    pub fn write(&self, file: &Path) -> Result<()> {
        let rows = self.columns.first().map_or(0, |(_, column)| column.rows());
        for (name, column) in &self.columns {
            ensure!(column.rows() == rows, "column {name} has {} rows, the table has {rows}", column.rows());
        }
        let fields: Vec<TypePtr> =
            self.columns.iter().map(|(name, column)| column.field(name).map(Arc::new)).collect::<Result<_>>()?;
        let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
        let notes = self.index.map(|index| vec![KeyValue::new("pandas".to_owned(), self.pandas(index))]);
        let properties = Arc::new(WriterProperties::builder().set_key_value_metadata(notes).build());
        let out =
            std::fs::File::create(file).map_err(|error| format!("{}: {error}", file.display())).hint(WRITE_HINT)?;
        let mut writer = SerializedFileWriter::new(out, schema, properties)?;
        let mut group = writer.next_row_group()?;
        for (_, column) in &self.columns {
            let group = &mut group;
            match column {
                Column::Int(values) => put::<Int64Type>(group, values, None)?,
                Column::Float(values) => put::<FloatType>(group, values, None)?,
                Column::Bool(values) => put::<BoolType>(group, values, None)?,
                Column::Text(values) => put::<ByteArrayType>(group, &bytes(values), None)?,
                Column::Floats(width, values) => {
                    put::<FloatType>(group, values, Some(&levels(&vec![*width; rows])))?;
                }
                Column::Texts(values) => {
                    let lengths: Vec<usize> = values.iter().map(Vec::len).collect();
                    put::<ByteArrayType>(group, &bytes(&values.concat()), Some(&levels(&lengths)))?;
                }
                Column::Png(values) => {
                    let pictures: Vec<ByteArray> = values.iter().map(|png| png.clone().into()).collect();
                    put::<ByteArrayType>(group, &pictures, None)?;
                    let names: Vec<String> = (0..rows).map(|row| format!("{row:06}.png")).collect();
                    put::<ByteArrayType>(group, &bytes(&names), None)?;
                }
            }
        }
        group.close()?;
        writer.close()?;
        Ok(())
    }

    /// What pandas wants to know: which column names the rows.
    fn pandas(&self, index: &str) -> String {
        let column = |(name, column): &(&str, Column)| {
            let (kind, numpy) = match column {
                Column::Int(_) => ("int64", "int64"),
                _ => ("unicode", "object"),
            };
            json!({ "name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": null })
        };
        let columns: Vec<_> = self.columns.iter().map(column).collect();
        json!({ "index_columns": [index], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0" })
            .to_string()
    }
}

fn plain(name: &str, physical: Physical) -> PrimitiveTypeBuilder<'_> {
    Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED)
}

fn text(name: &str) -> PrimitiveTypeBuilder<'_> {
    plain(name, Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String))
}

fn bytes(values: &[String]) -> Vec<ByteArray> {
    values.iter().map(|text| text.as_str().into()).collect()
}

/// Definition and repetition levels of lists of these lengths (Parquet's encoding of nested values): an empty list has one entry that
/// holds nothing, and every further value of a list repeats it.
fn levels(lengths: &[usize]) -> (Vec<i16>, Vec<i16>) {
    let of = |length: &usize| {
        (0..(*length).max(1)).map(|at| (i16::from(*length > 0), i16::from(at > 0))).collect::<Vec<_>>()
    };
    lengths.iter().flat_map(of).unzip()
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    values: &[T::T],
    levels: Option<&(Vec<i16>, Vec<i16>)>,
) -> Result<()> {
    let mut column = group.next_column()?.context("the schema has fewer columns than the table")?;
    let (definition, repetition) = (levels.map(|l| l.0.as_slice()), levels.map(|l| l.1.as_slice()));
    column.typed::<T>().write_batch(values, definition, repetition)?;
    Ok(column.close()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    #[test]
    fn lists_and_text_are_read_back_row_by_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.parquet");
        let texts = vec![vec!["a".to_owned(), "b".to_owned()], Vec::new(), vec!["c".to_owned()]];
        let table = Table {
            columns: vec![
                ("n", Column::Int(vec![7, 8, 9])),
                ("a.b", Column::Floats(2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])),
                ("words", Column::Texts(texts)),
                ("picture", Column::Png(vec![vec![1], vec![2, 3], Vec::new()])),
            ],
            index: None,
        };
        table.write(&file).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&file).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let said: Vec<String> =
            rows.iter().map(|row| row.get_column_iter().map(|(_, f)| shown(f)).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(said, ["7 [0,1] [a,b] 1:000000.png", "8 [2,3] [] 2:000001.png", "9 [4,5] [c] 0:000002.png"]);
    }

    fn shown(field: &Field) -> String {
        match field {
            Field::Long(value) => value.to_string(),
            Field::Float(value) => value.to_string(),
            Field::Str(text) => text.clone(),
            Field::Bytes(bytes) => bytes.len().to_string(),
            Field::ListInternal(list) => {
                format!("[{}]", list.elements().iter().map(shown).collect::<Vec<_>>().join(","))
            }
            Field::Group(row) => row.get_column_iter().map(|(_, field)| shown(field)).collect::<Vec<_>>().join(":"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn columns_of_other_lengths_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.parquet");
        let columns = vec![("a", Column::Int(vec![1, 2])), ("b", Column::Bool(vec![true]))];
        assert!(Table { columns, index: None }.write(&file).unwrap_err().to_string().contains("column b has 1 rows"));
        assert!(!file.exists());
    }
}
